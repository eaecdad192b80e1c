import { expect, test } from 'vitest';
import { lastWords } from '../../../src/host/health/last-words.ts';
import type { Life } from '../../../src/host/pm2/bus.ts';

function life(change: Partial<Life> & { said?: [at: number, text: string][] }): Life {
  const { said = [], ...given } = change;
  const lines = said.map(([at, text]) => ({ at, text }));
  return {
    name: 'web',
    pmId: '0',
    deployId: 'new',
    isNew: true,
    began: 0,
    ended: null,
    lines,
    cut: '',
    thrown: null,
    ...given,
  };
}

test('the words of the app that died are told, up to its death, and no trace that another one prints', () => {
  const lives = [
    life({ ended: 20, said: [[10, 'Error: web cannot boot']] }),
    life({ name: 'api', pmId: '1', said: [[12, 'Error: a trace that api logs']] }),
  ];
  expect(lastWords(lives, 'new', 100)).toEqual([{ app: 'web', lines: ['Error: web cannot boot'] }]);
});

test('neither other versions count, nor what began or was said after the files were taken back', () => {
  const lives = [
    life({ deployId: 'old', ended: 5, said: [[1, 'old']] }),
    life({ deployId: null, isNew: false, said: [[2, 'of an instance that ran before']] }),
    life({ pmId: '_old_0', deployId: null, ended: 9, said: [[3, 'of one that is replaced']] }),
    life({
      said: [
        [10, 'Error: the cause'],
        [200, "Error: Cannot find module './gone'"],
      ],
    }),
    life({ began: 150, ended: 160, said: [[155, 'Error: of the files that are back']] }),
  ];
  expect(lastWords(lives, 'new', 100)).toEqual([{ app: 'web', lines: ['Error: the cause'] }]);
});

test('one that died before the failure tells it, though PM2 has started another one on the files that are back', () => {
  const lives = [
    life({ began: 80, ended: 99, said: [[120, 'Error: the cause, handed on late']] }),
    life({ began: 99, ended: 220, said: [[215, 'Error: of the files that are back']] }),
  ];
  expect(lastWords(lives, 'new', 100)).toEqual([{ app: 'web', lines: ['Error: the cause, handed on late'] }]);
});

test('of a crash loop the last process is told; where none died, each app, by its name', () => {
  const loop = [1, 2, 3].map((at) => life({ began: at, ended: at, said: [[at, `crash ${at}`]] }));
  expect(lastWords(loop, 'new', 100)).toEqual([{ app: 'web', lines: ['crash 3'] }]);
  const alive = [
    life({ said: [[1, 'a']], deployId: null }),
    life({ name: 'api', pmId: '1', said: [[1, 'b']] }),
  ];
  expect(lastWords(alive, 'new', 100)).toEqual([
    { app: 'web', lines: ['a'] },
    { app: 'api', lines: ['b'] },
  ]);
});
