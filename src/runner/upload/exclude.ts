/** What is not sent, by `upload-exclude`. `path` is relative to `upload-path`, with `/` between its names. */
export interface Exclude {
  matches(path: string): boolean;
  /** The patterns that have matched nothing so far. */
  unused(): string[];
}

/**
 * Patterns as in a .gitignore, without `!`: one without `/` means each file and directory of that name, one with `/` a path from the
 * top. `*` and `?` stand for letters of one name, `**` for any directories.
 */
export function excludeOf(patterns: readonly string[]): Exclude {
  const rules = patterns.map((pattern) => ({ pattern, regExp: regExpOf(pattern), used: false }));
  return {
    matches(path) {
      let matched = false;
      for (const rule of rules) {
        if (!rule.regExp.test(path)) continue;
        rule.used = true;
        matched = true;
      }
      return matched;
    },
    unused: () => rules.filter(({ used }) => !used).map(({ pattern }) => pattern),
  };
}

function regExpOf(pattern: string): RegExp {
  const names = pattern.includes('/') ? pattern.replace(/^\//, '').split('/') : ['**', pattern];
  const source = names
    .map((name, index) => {
      const isLast = index === names.length - 1;
      if (name === '**') return isLast ? '.+' : '(?:[^/]+/)*';
      return `${nameSource(name)}${isLast ? '' : '/'}`;
    })
    .join('');
  return new RegExp(`^${source}$`, 's');
}

/** All but `*` and `?` stand for themselves: frameworks have brackets in the names of directories. */
function nameSource(name: string): string {
  return name
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '[^/]*')
    .replace(/\?/g, '[^/]');
}
