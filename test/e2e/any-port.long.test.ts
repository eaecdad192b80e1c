import { expect, test } from 'vitest';
import { createSite } from '../rig/site.ts';

test.each([
  ['fork', 'auto'],
  ['fork', 'off'],
  ['cluster', 'auto'],
])(
  'an app on port 0 in %s mode passes its canary (%s), and goes back after a failure',
  async (mode, canary) => {
    await using site = await createSite();
    const settings = { exec_mode: mode, instances: 1, wait_ready: false, env: { PORT: '0' } };
    const deploy = (version: string, flaw?: 'crashes after 2 s') =>
      site.deploy({
        canary,
        ref: site.commit({ version, settings, ...(flaw && { flaw }) }),
        'stable-for': flaw ? '4s' : '1s',
      });
    const first = await deploy('1');
    expect(first, first.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    const second = await deploy('2');
    expect(second, second.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    if (canary === 'auto') expect(second.stdout).toContain('canary ');
    const bad = await deploy('3', 'crashes after 2 s');
    expect(bad, bad.stdout).toMatchObject({
      code: 1,
      outputs: { outcome: canary === 'auto' ? 'failed' : 'rolled-back', sha: second.outputs.sha },
    });
  },
);
