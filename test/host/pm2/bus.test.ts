import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hearLives, type Life } from '../../../src/host/pm2/bus.ts';
import { ALL_RUNTIMES, startPm2 } from '../../rig/pm2.ts';

test.each(ALL_RUNTIMES)(
  'the processes of the named apps are heard, with their last words, ends and deploys: $name',
  async (runtime) => {
    await using pm2 = await startPm2(runtime);
    const app = (name: string, text: string): void =>
      writeFileSync(
        join(pm2.home, `${name}.js`),
        `console.error('${name} says\\r\\nlines'); ${text}; setInterval(() => {}, 1000);`,
      );
    app(
      'mine',
      "process.stderr.write('in '); process.stderr.write('pieces\\n'); throw new Error('mine cannot boot')",
    );
    app('other', "throw new Error('other cannot boot')");
    app('rejects', "Promise.reject(new Error('mine is rejected'))");
    // The daemon is not there yet.
    const stream = hearLives(pm2.home, ['mine', 'rejects']);
    const env = { ...pm2.env, PM2_SSH_DEPLOY_ID: 'd1' };
    for (const name of ['other', 'mine', 'rejects'])
      await pm2.run(['start', `${name}.js`, '-i', '1', '--max-restarts', '2'], { env });
    const of = (name: string): Life | undefined => stream.lives().find((life) => life.name === name);
    const said = (name: string): string[] => (of(name)?.lines ?? []).map(({ text }) => text);
    await expect.poll(() => said('mine')).toContain('Error: mine cannot boot');
    await expect
      .poll(() => of('mine'))
      .toMatchObject({
        pmId: '1',
        deployId: 'd1',
        isNew: true,
        ended: expect.any(Number),
      });
    await expect.poll(() => of('rejects')?.thrown).toBe('mine is rejected');
    stream.close();
    expect(said('mine')).toEqual(expect.arrayContaining(['mine says', 'lines', 'in pieces']));
    expect(of('rejects')).toMatchObject({ ended: null, deployId: 'd1' });
    expect(
      stream
        .lives()
        .flatMap(({ lines }) => lines.map(({ text }) => text))
        .join('\n'),
    ).not.toContain('other');
  },
);
