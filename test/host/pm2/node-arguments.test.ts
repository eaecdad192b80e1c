import { expect, test } from 'vitest';
import {
  modulesAmong,
  nodeArgumentsOf,
  replaceModules,
  withNodeArguments,
} from '../../../src/host/pm2/node-arguments.ts';

test.each([
  ['--import tsx', ['--import', '/live/tsx']],
  ['--import=tsx/esm --max-old-space-size=200', ['--import=/live/tsx/esm', '--max-old-space-size=200']],
  [
    ['-r', 'dotenv/config', '--enable-source-maps'],
    ['-r', '/live/dotenv/config', '--enable-source-maps'],
  ],
  ['--require ./a.js --require ./b.js', ['--require', '/live/./a.js', '--require', '/live/./b.js']],
  ['--loader ts-node/esm', ['--loader', '/live/ts-node/esm']],
  ['--experimental-loader=./l.mjs', ['--experimental-loader=/live/./l.mjs']],
  ['--import #own', ['--import', '#own']],
  ['--import /abs/x.mjs --import file:///x.mjs', ['--import', '/abs/x.mjs', '--import', 'file:///x.mjs']],
  ['--import data:text/javascript,1', ['--import', 'data:text/javascript,1']],
  ['--import', ['--import']],
  ['--inspect --expose-gc', ['--inspect', '--expose-gc']],
])(
  'each module that depends on the directory gets its path, and nothing else changes: %j',
  (given, wanted) => {
    const written = nodeArgumentsOf({ node_args: given });
    expect(replaceModules(written, ({ specifier }) => `/live/${specifier}`)).toEqual(wanted);
    expect(replaceModules(written, () => null)).toEqual(written);
  },
);

test('a path with a character that an address reads in another way is no path for --import', () => {
  expect(replaceModules(['--import', 'x', '-r', 'x'], () => '/my%20app/x')).toEqual([
    ...['--import', 'x', '-r', '/my%20app/x'],
  ]);
});

test('each module says how Node looks for it', () => {
  expect(modulesAmong(['--import', 'tsx', '-r', './a', '--require', '/b', '--loader=c'])).toEqual([
    { kind: 'import', specifier: 'tsx' },
    { kind: 'require', specifier: './a' },
    { kind: 'import', specifier: 'c' },
  ]);
});

test('the arguments are known under each of their names, and come out under one', () => {
  expect(withNodeArguments({ name: 'a', interpreter_args: '-r x' }, ['-r', 'y'])).toEqual({
    name: 'a',
    node_args: ['-r', 'y'],
  });
  expect(nodeArgumentsOf({ interpreterArgs: '-r  x' })).toEqual(['-r', 'x']);
  expect(nodeArgumentsOf({})).toEqual([]);
});
