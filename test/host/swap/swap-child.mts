import { readFileSync } from 'node:fs';
import { type SwapPlaces, swapBackward, swapForward } from '../../../src/host/swap/swap.ts';
import type { SwapOp } from '../../../src/host/swap/swap-list.ts';

// Started as: <forward|backward> <file with places and ops> <n>. Carries the list out and kills itself with SIGKILL
// after the n-th step; exits with 0 where there are fewer.
const [direction, file = '', last = ''] = process.argv.slice(2);
const { places, ops } = JSON.parse(readFileSync(file, 'utf8')) as { places: SwapPlaces; ops: SwapOp[] };
let steps = 0;
(direction === 'forward' ? swapForward : swapBackward)(places, ops, () => {
  steps++;
  if (steps === Number(last)) process.kill(process.pid, 'SIGKILL');
});
