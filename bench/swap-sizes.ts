import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createSite, type Files } from '../test/host/swap/site-fixture.ts';

export interface SwapCost {
  paths: number;
  /** Milliseconds, there and back. */
  forward: number;
  backward: number;
  /** MiB, of the whole process. */
  memory: number;
}

/** Each in a process of its own, so that its memory is its own. */
export function measureSwaps(sizes: readonly number[]): SwapCost[] {
  return sizes.map((size) => {
    const args = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', import.meta.filename, String(size)];
    return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as SwapCost;
  });
}

/** Every file differs, and none can go with its directory, since the app has a file of its own in each. */
async function swapOf(paths: number): Promise<SwapCost> {
  const files = (content: string): Files =>
    Object.fromEntries(Array.from({ length: paths }, (_, n) => [`d${n % 100}/f${n}.js`, content]));
  const site = createSite();
  try {
    await site.deploy({ tracked: files('old') });
    for (const name of readdirSync(site.live)) writeFileSync(path.join(site.live, name, 'own.txt'), 'own');
    const time = (work: () => void): number => {
      const started = performance.now();
      work();
      return performance.now() - started;
    };
    const list = await site.stage({ tracked: files('new') });
    if (list.ops.length !== paths) throw new Error(`${list.ops.length} paths are listed, and not ${paths}`);
    const forward = time(() => site.forward(list));
    const backward = time(() => site.backward(list));
    const memory = Math.round(process.resourceUsage().maxRSS / 1024);
    return { paths, forward, backward, memory };
  } finally {
    site.remove();
  }
}

const [, file, size] = process.argv;
if (file === import.meta.filename) console.log(JSON.stringify(await swapOf(Number(size))));
