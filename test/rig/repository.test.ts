import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { createRepository } from './repository.ts';

test('each commit is exactly its files, and can be fetched by its id when the branch has moved on', () => {
  const repository = createRepository();
  try {
    const first = repository.commit({ a: '1', 'dir/run.sh': 'x', '.gitignore': 'b' });
    const second = repository.commit({ b: '2', '.gitignore': 'b' }, 'The second');
    expect(repository.git('rev-parse', 'main')).toBe(second);
    expect(repository.git('log', '-1', '--format=%s %an')).toBe('The second Rig');
    expect(repository.git('ls-tree', '-r', '--name-only', second)).toBe('.gitignore\nb');
    expect(repository.git('ls-tree', '-r', '--format=%(objectmode) %(path)', first)).toBe(
      '100644 .gitignore\n100644 a\n100755 dir/run.sh',
    );
    const fetched = execFileSync('git', ['ls-remote', repository.url, 'main'], { encoding: 'utf8' });
    expect(fetched).toContain(second);
    const clone = `${repository.path}-clone`;
    execFileSync('git', ['init', '--quiet', clone]);
    execFileSync('git', ['-C', clone, 'fetch', '--quiet', '--depth=1', repository.url, first]);
    expect(execFileSync('git', ['-C', clone, 'rev-parse', 'FETCH_HEAD'], { encoding: 'utf8' }).trim()).toBe(
      first,
    );
  } finally {
    repository.remove();
  }
});
