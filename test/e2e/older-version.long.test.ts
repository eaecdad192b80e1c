import { expect, test } from 'vitest';
import type { State } from '../../src/protocol.ts';
import { deployByOlder, OLDER } from '../rig/older-program.ts';
import { createSite } from '../rig/site.ts';

test.each(OLDER)('what version $version deployed can be deployed over, and rolled back to', async (older) => {
  await using site = await createSite();
  const sha = site.commit({ version: '1' });
  await deployByOlder({ ...older, site }, sha);
  const again = await site.deploy({ ref: sha });
  // The older version's plan has another fingerprint, so that the commit may be deployed once more. Nothing is lost by that.
  expect(again, again.stdout).toMatchObject({ code: 0, outputs: { sha, 'previous-sha': sha } });
  const next = await site.deploy({ ref: site.commit({ version: '2' }) });
  expect(next, next.stdout).toMatchObject({ outputs: { outcome: 'deployed', 'previous-sha': sha } });
  const back = await site.deploy({ mode: 'rollback', ref: '' });
  expect(back, back.stdout).toMatchObject({ outputs: { outcome: 'deployed', sha } });
  expect(await site.served()).toBe('1');
});

const KILLED_IN: readonly State[] = ['activating', 'verifying'];

test.each(OLDER.flatMap((older) => KILLED_IN.map((state) => ({ ...older, state }))))(
  'a deploy that version $version left in $state is ended first',
  async ({ state, ...older }) => {
    await using site = await createSite();
    const first = site.commit({ version: '1' });
    await deployByOlder({ ...older, site }, first);
    const second = site.commit({ version: '2' });
    await deployByOlder({ ...older, site }, second, state);
    const third = await site.deploy({ ref: site.commit({ version: '3' }) });
    expect(third, third.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(third.stdout).toContain(`was interrupted in ${state}. This run ends it first`);
    expect(third.stdout).toMatch(/was rolled back|is healthy/);
    expect(await site.served()).toBe('3');
  },
);
