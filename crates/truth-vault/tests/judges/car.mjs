// @ipld/car, cardex and ipfs-car as judges of CAR files.
//
// read FILE: prints one line for each block, its CID and the SHA-256 of its bytes, then one for each
// root, then, of a CARv2, one for each entry of the index: the CID of the block it leads to.
// write FILE SEED: writes blocks of several codecs with @ipld/car, and prints their CIDs.
import { createReadStream, createWriteStream, openSync, readFileSync, readSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CarBlockIterator, CarIndexer, CarWriter } from '@ipld/car'
import { MultihashIndexSortedReader } from 'cardex/multihash-index-sorted'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'

const [command, path, seed] = process.argv.slice(2)
const digest = bytes => createHash('sha256').update(bytes).digest('hex')

async function read () {
  const blocks = await CarBlockIterator.fromIterable(createReadStream(path))
  for await (const { cid, bytes } of blocks) {
    if (digest(bytes) !== Buffer.from(cid.multihash.digest).toString('hex')) throw new Error(`${cid} is altered`)
    console.log('block', cid.toString(), digest(bytes))
  }
  for (const root of await blocks.getRoots()) console.log('root', root.toString())
  if (blocks.version !== 2) return
  const file = readFileSync(path)
  const [dataOffset, indexOffset] = [27, 43].map(at => Number(file.readBigUInt64LE(at)))
  const places = new Map()
  for await (const { cid, offset } of await CarIndexer.fromIterable(createReadStream(path))) {
    places.set(offset - dataOffset, cid)
  }
  const index = file.subarray(indexOffset)
  const reader = MultihashIndexSortedReader.createReader({ reader: new Blob([index]).stream().getReader() })
  while (true) {
    const { done, value } = await reader.read()
    if (done) break
    const cid = places.get(value.offset)
    if (Buffer.compare(cid.multihash.bytes, value.multihash.bytes) !== 0) throw new Error(`${cid} is not at ${value.offset}`)
    console.log('index', cid.toString())
  }
}

async function write () {
  const cids = []
  for (let at = 0; at < 20; at++) {
    const bytes = createHash('sha512').update(`${seed} ${at}`).digest().subarray(0, at * 3)
    const hash = await sha256.digest(bytes)
    cids.push([CID.createV1([0x55, 0x71, 0x70][at % 3], hash), bytes])
  }
  const { writer, out } = CarWriter.create([cids[0][0], cids[1][0]])
  const written = pipeline(Readable.from(out), createWriteStream(path))
  for (const [cid, bytes] of cids) {
    await writer.put({ cid, bytes })
    console.log(cid.toString(), digest(bytes))
  }
  await writer.close()
  await written
}

await (command === 'read' ? read() : write())
