import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';

/** Both begin at the same place, as two processes of the tests may by chance. */
const ASKS = `
  require('node:crypto').randomInt = () => 0;
  require('node:module').syncBuiltinESMExports();
  import(process.argv[1]).then(({ freePort }) => freePort()).then(console.log);
  setInterval(() => {}, 1000);
`;

async function portOfAnother(): Promise<string> {
  const file = new URL('free-port.ts', import.meta.url).href;
  const args = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', '-e', ASKS, file];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [text] = (await once(child.stdout, 'data')) as [Buffer];
  return text.toString();
}

test('two processes never get the same port, though nothing listens there yet', async () => {
  expect(await portOfAnother()).not.toBe(await portOfAnother());
});
