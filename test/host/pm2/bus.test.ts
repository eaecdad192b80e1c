import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hearErrors } from '../../../src/host/pm2/bus.ts';
import { ALL_RUNTIMES, startPm2 } from '../../rig/pm2.ts';

test.each(ALL_RUNTIMES)(
  'the last words of a worker that throws as it boots are heard, of the named apps alone: $name',
  async (runtime) => {
    await using pm2 = await startPm2(runtime);
    const app = (name: string): void =>
      writeFileSync(
        join(pm2.home, `${name}.js`),
        `console.error('${name} says\\r\\nlines'); throw new Error('${name} cannot boot');`,
      );
    app('mine');
    app('other');
    // The daemon is not there yet.
    const errors = hearErrors(pm2.home, ['mine']);
    await pm2.run(['start', 'other.js', '--name', 'other', '-i', '1']);
    await pm2.run(['start', 'mine.js', '--name', 'mine', '-i', '1']);
    await expect.poll(() => errors.lines(), { timeout: 20_000 }).toContain('Error: mine cannot boot');
    errors.close();
    expect(errors.lines()).toContain('mine says');
    expect(errors.lines()).toContain('lines');
    expect(errors.lines().length).toBeLessThanOrEqual(200);
    expect(errors.lines().join('\n')).not.toContain('other');
  },
);
