import type { AppConfig } from './app-config.ts';

/** A module that Node loads before the app: `kind` says by which of Node's two ways of looking it finds the module. */
export interface ModuleArgument {
  kind: 'require' | 'import';
  /** As the user wrote it: the name of a package, or a relative path. */
  specifier: string;
}

const KINDS: Readonly<Record<string, ModuleArgument['kind']>> = {
  '--require': 'require',
  '-r': 'require',
  '--import': 'import',
  '--loader': 'import',
  '--experimental-loader': 'import',
};

/** The arguments that PM2 gives to Node itself for an app, under any of the names that PM2 takes. */
export function nodeArgumentsOf(app: AppConfig): string[] {
  const given = app.node_args ?? app.interpreter_args ?? app.interpreterArgs;
  if (Array.isArray(given)) return given.map(String);
  return typeof given === 'string' ? given.split(' ').filter(Boolean) : [];
}

/** The same app with these arguments for Node. */
export function withNodeArguments<T extends AppConfig>(app: T, given: readonly string[]): T {
  const { interpreter_args: _one, interpreterArgs: _other, ...rest } = app;
  return { ...rest, node_args: [...given] } as unknown as T;
}

/** The modules among Node's arguments whose place depends on the directory in which Node starts. */
export function modulesAmong(given: readonly string[]): ModuleArgument[] {
  const found: ModuleArgument[] = [];
  replaceModules(given, (module) => {
    found.push(module);
    return null;
  });
  return found;
}

/** The same arguments with the path that `pathOf` gives for a module; null leaves the module as it was written. */
export function replaceModules(
  given: readonly string[],
  pathOf: (module: ModuleArgument) => string | null,
): string[] {
  return given.map((argument, at) => {
    const [option = '', ...rest] = argument.split('=');
    const kindBefore = KINDS[given[at - 1] ?? ''];
    if (kindBefore !== undefined) return replaced(kindBefore, argument, pathOf) ?? argument;
    const kind = KINDS[option];
    if (kind === undefined || rest.length === 0) return argument;
    const path = replaced(kind, rest.join('='), pathOf);
    return path === null ? argument : `${option}=${path}`;
  });
}

function replaced(
  kind: ModuleArgument['kind'],
  specifier: string,
  pathOf: (module: ModuleArgument) => string | null,
): string | null {
  // An absolute path or an address means the same from everywhere.
  if (specifier === '' || specifier.startsWith('/') || /^[a-z]+:/.test(specifier)) return null;
  const path = pathOf({ kind, specifier });
  // `--import` takes an address, in which such a character means something else.
  return path !== null && (kind === 'require' || /^[\w./@+~-]+$/.test(path)) ? path : null;
}
