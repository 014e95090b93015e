// How soon a browser that was never here shows the dashboard: prints, for each time it is opened, milliseconds
// until something is drawn and until the root of the state is there.

import { close, open } from "./page.mjs";

const TIMES = 5;

const times = [];
for (let nth = 0; nth < TIMES; nth += 1) {
  // Each page has a context of its own, with nothing cached.
  const page = await open();
  times.push(
    await page.evaluate(async () => {
      while (!document.querySelector("#state-root")?.textContent) await new Promise(requestAnimationFrame);
      const root = performance.now();
      return { paint: performance.getEntriesByName("first-contentful-paint")[0].startTime, root };
    }),
  );
  await page.context().close();
}
await close();
console.log(JSON.stringify(times));
