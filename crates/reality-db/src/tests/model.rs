//! The database against its model: a list of versions, each an ordered map.

mod checks;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use merkle_core::Batch;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::stages::Stage;
use crate::{
    Backend, CommitError, CommitKind, CommitOptions, KeyMode, NameError, Options, Prepared,
    Profile, RealityDb, Retention, Snapshot,
};

type Content = BTreeMap<Vec<u8>, Vec<u8>>;
type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;
/// What a version did to each key that it names.
type Changed = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

#[derive(Clone, Debug)]
enum Step {
    Commit(Changes),
    CommitGroup(Vec<Changes>),
    CommitNumbered(Changes, u64),
    CommitElsewhere(Changes),
    Prepare(Changes, Changes, bool),
    Checkpoint,
    CheckpointBeside(Vec<Changes>),
    CancelCheckpoint,
    Reopen,
    Hold,
    Name(Index),
    Forget,
    Rollback(Index),
    ReadAt(Index),
    Diff(Index, Index),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => vec(0u8..5, 1..4),
        2 => vec(any::<u8>(), 2),
        1 => (1usize..30).prop_map(|len| vec![1; len]),
    ]
}

fn changes() -> impl Strategy<Value = Changes> {
    let value = prop_oneof![4 => vec(any::<u8>(), 0..9), 1 => vec(any::<u8>(), 90..5000)];
    vec((key(), proptest::option::weighted(0.7, value)), 0..40)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => changes().prop_map(Step::Commit),
        2 => vec(changes(), 0..4).prop_map(Step::CommitGroup),
        3 => (changes(), 0u64..9).prop_map(|(changes, number)| Step::CommitNumbered(changes, number)),
        1 => changes().prop_map(Step::CommitElsewhere),
        2 => (changes(), changes(), any::<bool>())
            .prop_map(|(first, second, commit)| Step::Prepare(first, second, commit)),
        3 => Just(Step::Checkpoint),
        3 => vec(changes(), 1..6).prop_map(Step::CheckpointBeside),
        1 => Just(Step::CancelCheckpoint),
        4 => Just(Step::Reopen),
        1 => Just(Step::Hold),
        1 => any::<Index>().prop_map(Step::Name),
        1 => Just(Step::Forget),
        1 => any::<Index>().prop_map(Step::Rollback),
        3 => any::<Index>().prop_map(Step::ReadAt),
        2 => any::<(Index, Index)>().prop_map(|(first, second)| Step::Diff(first, second)),
    ]
}

fn options() -> impl Strategy<Value = Options> {
    let retention = prop_oneof![
        2 => Just(Retention::All),
        1 => (0u64..5).prop_map(Retention::Last),
        1 => (0u64..30).prop_map(Retention::Since),
    ];
    let cache_bytes = prop_oneof![Just(0), Just(2000), Just(1 << 30)];
    let profile = prop_oneof![Just(Profile::Sha256), Just(Profile::Blake3)];
    (retention, cache_bytes, profile, any::<bool>()).prop_map(
        |(retention, cache_bytes, profile, hashed)| {
            let keys = if hashed {
                KeyMode::Hashed
            } else {
                KeyMode::Ordered
            };
            Options::new()
                .retention(retention)
                .cache_bytes(cache_bytes)
                .profile(profile)
                .key_mode(keys)
                .background(false)
        },
    )
}

struct Run<'s> {
    stage: &'s Stage,
    options: Options,
    db: RealityDb,
    /// Each version with its content.
    versions: Vec<(u64, Content)>,
    /// What each version did, those that are pruned among them.
    changed: BTreeMap<u64, Changed>,
    /// When each version was committed.
    times: BTreeMap<u64, u64>,
    /// Named snapshots.
    named: BTreeMap<String, u64>,
    /// Snapshots that are held, with what they must show for ever.
    held: Vec<(Snapshot, Content)>,
}

fn apply(content: &Content, changes: &Changes) -> Content {
    let mut content = content.clone();
    for (key, value) in changes {
        match value {
            Some(value) => content.insert(key.clone(), value.clone()),
            None => content.remove(key),
        };
    }
    content
}

fn batch(changes: &Changes) -> Batch<'_> {
    let mut batch = Batch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(key, value).unwrap(),
            None => batch.delete(key).unwrap(),
        };
    }
    batch
}

impl<'s> Run<'s> {
    fn start(stage: &'s Stage, options: &Options) -> Self {
        Self {
            stage,
            options: options.clone(),
            db: stage.open(options).unwrap(),
            versions: vec![(0, Content::new())],
            changed: BTreeMap::new(),
            times: BTreeMap::from([(0, 0)]),
            named: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    fn head(&self) -> &(u64, Content) {
        self.versions.last().unwrap()
    }

    fn commit_options(&self) -> CommitOptions<'static> {
        CommitOptions::new()
            .metadata(b"why")
            .time_ns(self.head().0 + 1)
    }

    fn push(&mut self, number: u64, changes: &Changes) {
        self.push_at(number, changes, self.db.info(number).unwrap().time_ns);
    }

    fn push_at(&mut self, number: u64, changes: &Changes, time_ns: u64) {
        let content = apply(&self.head().1, changes);
        self.versions.push((number, content));
        self.changed
            .insert(number, changes.iter().cloned().collect());
        self.times.insert(number, time_ns);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Commit(changes) => {
                let next = self.db.commit_with(&batch(changes), &self.commit_options());
                self.push(next.unwrap().number, changes);
            }
            Step::CommitGroup(group) => {
                let batches: Vec<_> = group.iter().map(batch).collect();
                let commits: Vec<_> = batches
                    .iter()
                    .map(|batch| (batch, self.commit_options()))
                    .collect();
                let versions = self.db.commit_all(&commits).unwrap();
                assert_eq!(versions.len(), group.len());
                for (version, changes) in versions.iter().zip(group) {
                    self.push(version.number, changes);
                }
            }
            Step::CommitNumbered(changes, number) => {
                let newest = self.head().0;
                let options = self.commit_options().number(newest + number);
                match self.db.commit_with(&batch(changes), &options) {
                    Ok(version) => self.push(version.number, changes),
                    Err(CommitError::VersionNotAbove { version, .. }) => {
                        assert_eq!((*number, version), (0, newest));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            Step::CommitElsewhere(changes) => {
                let options = self
                    .commit_options()
                    .expect_root(merkle_core::Hash::from_bytes([9; 32]));
                let error = self.db.commit_with(&batch(changes), &options).unwrap_err();
                assert!(matches!(error, CommitError::RootChanged { .. }));
            }
            Step::Prepare(first, second, commit) => self.prepare(first, second, *commit),
            Step::Checkpoint => {
                let version = self.db.checkpoint(|_| ControlFlow::Continue(())).unwrap();
                assert_eq!(version, self.db.version());
                self.forget_pruned();
            }
            Step::CheckpointBeside(commits) => self.checkpoint_beside(commits),
            Step::CancelCheckpoint => {
                let _ = self.db.checkpoint(|_| ControlFlow::Break(()));
                self.forget_pruned();
            }
            Step::Reopen => {
                self.held.clear();
                let version = self.db.version();
                let spare = self.stage_spare();
                drop(std::mem::replace(&mut self.db, spare));
                let options = self.options.clone().expect(version.number, version.root);
                self.db = self.stage.open(&options).unwrap();
                assert_eq!(self.db.version(), version);
            }
            Step::Hold => {
                let snapshot = self.db.snapshot().unwrap();
                self.held.push((snapshot, self.head().1.clone()));
            }
            Step::Name(version) => {
                let (number, _) = self.versions[version.index(self.versions.len())];
                match self.db.name_snapshot("name", number) {
                    Ok(named) => {
                        assert_eq!(named.version.number, number);
                        self.named.insert("name".to_owned(), number);
                    }
                    Err(NameError::Taken { version }) => assert_eq!(version, self.named["name"]),
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Forget => {
                let was_there = self.db.forget_snapshot("name").unwrap();
                assert_eq!(was_there, self.named.remove("name").is_some());
            }
            Step::Rollback(version) => {
                let (number, content) = self.versions[version.index(self.versions.len())].clone();
                let next = self.db.rollback(number, &self.commit_options()).unwrap();
                assert_eq!(
                    self.db.info(next.number).unwrap().kind,
                    CommitKind::Rollback { to: number }
                );
                let head = &self.head().1;
                let keys: BTreeSet<_> = head.keys().chain(content.keys()).collect();
                let changes = (keys.into_iter())
                    .filter(|key| head.get(*key) != content.get(*key))
                    .map(|key| (key.clone(), content.get(key).cloned()))
                    .collect();
                self.push(next.number, &changes);
            }
            Step::ReadAt(version) => {
                let (number, content) = &self.versions[version.index(self.versions.len())];
                let snapshot = self.db.at(*number).unwrap();
                assert_eq!(snapshot.version().number, *number);
                self.check(&snapshot, content);
            }
            Step::Diff(first, second) => {
                let [first, second] =
                    [first, second].map(|at| &self.versions[at.index(self.versions.len())]);
                self.diff(first, second);
            }
        }
    }

    /// Writes a checkpoint, and makes a commit and a few reads whenever it pauses.
    fn checkpoint_beside(&mut self, commits: &[Changes]) {
        let before = self.db.version();
        let mut commits = commits.iter();
        let mut done = Vec::new();
        let version = self.db.checkpoint(|_| {
            if let Some(changes) = commits.next() {
                let options = CommitOptions::new().time_ns(before.number + 1);
                let next = self.db.commit_with(&batch(changes), &options).unwrap();
                done.push((next.number, changes));
                for (key, value) in changes {
                    let last = changes.iter().rfind(|(other, _)| other == key).unwrap();
                    assert_eq!(self.db.get(key).unwrap(), last.1, "{value:?}");
                }
            }
            ControlFlow::Continue(())
        });
        let numbers = before.number..=self.db.version().number;
        assert!(numbers.contains(&version.unwrap().number));
        for (number, changes) in done {
            // The checkpoint may have been pruned at once: the model knows the time without asking.
            self.push_at(number, changes, before.number + 1);
        }
        self.forget_pruned();
    }

    /// A handle to put in the place of one that is closed before the next is opened.
    fn stage_spare(&self) -> RealityDb {
        RealityDb::open(
            "nowhere",
            &Options::new().backend(Backend::Memory).background(false),
        )
        .unwrap()
    }

    fn prepare(&mut self, first: &Changes, second: &Changes, commit: bool) {
        let before = self.db.version();
        let prepared = self.db.prepare(&batch(first)).unwrap();
        let stacked: Prepared = prepared.prepare(&batch(second)).unwrap();
        assert_eq!(self.db.version(), before);
        assert_eq!(stacked.base_root(), prepared.root());
        for (key, value) in second {
            let last = second.iter().rfind(|(other, _)| other == key).unwrap();
            assert_eq!(stacked.get(key).unwrap(), last.1, "{value:?}");
        }
        if commit {
            let version = self
                .db
                .commit_prepared(&prepared, &self.commit_options())
                .unwrap();
            assert_eq!(version.root, prepared.root());
            self.push(version.number, first);
            let version = self
                .db
                .commit_prepared(&stacked, &self.commit_options())
                .unwrap();
            assert_eq!(version.root, stacked.root());
            self.push(version.number, second);
        } else if prepared.root() != before.root {
            let refused = self.db.commit_prepared(&stacked, &self.commit_options());
            assert!(matches!(refused, Err(CommitError::RootChanged { .. })));
        }
    }

    /// Drops from the model what the database says is pruned; it may keep more than it must.
    fn forget_pruned(&mut self) {
        let oldest = self.db.oldest().unwrap();
        let must_stay = match self.options.retention {
            Retention::All => 0,
            Retention::Last(count) => (self.versions.iter().rev())
                .nth(usize::try_from(count.saturating_sub(1)).unwrap())
                .map_or(self.versions[0].0, |(number, _)| *number),
            Retention::Since(time_ns) => (self.times.iter())
                .find(|(_, time)| **time >= time_ns)
                .map_or(self.head().0, |(number, _)| *number),
        };
        let must_stay = self.named.values().copied().fold(must_stay, u64::min);
        assert!(
            oldest <= must_stay,
            "{oldest} is the oldest, {must_stay} must stay"
        );
        self.check_pruned(oldest);
        self.versions.retain(|(number, _)| *number >= oldest);
    }
}

fn run(stage: &Stage, options: &Options, steps: &[Step]) {
    let mut run = Run::start(stage, options);
    for step in steps {
        run.step(step);
    }
    run.check_all();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn does_what_a_list_of_versions_does(options in options(), steps in vec(step(), 1..24)) {
        run(&Stage::memory(), &options, &steps);
    }
}

#[cfg(feature = "sled")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn does_so_on_sled(options in options(), steps in vec(step(), 1..24)) {
        run(&Stage::disk(Backend::Sled), &options, &steps);
    }
}

#[cfg(feature = "rocksdb")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn does_so_on_rocksdb(options in options(), steps in vec(step(), 1..24)) {
        run(&Stage::disk(Backend::RocksDb), &options, &steps);
    }
}
