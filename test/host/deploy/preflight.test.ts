import { expect, test } from 'vitest';
import { refuseOldNode } from '../../../src/host/deploy/preflight.ts';

test.each(['v16.0.0', 'v16.13.2', 'v14.21.3'])(
  'Node %s is refused by name, since it lacks what we call',
  (version) => {
    expect(() => refuseOldNode(version)).toThrow(
      `Node ${version} is too old for a deploy: it takes 16.14 or newer.`,
    );
  },
);

test.each(['v16.14.0', 'v16.20.2', 'v18.0.0', 'v25.1.0'])('Node %s is taken', (version) => {
  expect(() => refuseOldNode(version)).not.toThrow();
});
