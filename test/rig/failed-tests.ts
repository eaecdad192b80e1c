// vitest loads this file before each test file. After a failed test it shows the end of each log that the test made.
import { afterAll, afterEach } from 'vitest';
import { startedSince } from './action.ts';
import { endOfLog } from './runner-log.ts';

function show(): void {
  for (const action of startedSince()) console.error(endOfLog(action.log()));
}

afterEach(({ task }) => {
  if (task.result?.state === 'fail') show();
  else startedSince();
});
// What is left belongs to a `beforeAll` that failed: none of its tests has run.
afterAll(show);
