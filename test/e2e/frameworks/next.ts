import type { Site } from '../../rig/site.ts';
import { type Flaw, locked } from './life.ts';

/** A site of one page with a button, and a route; `start` is how PM2 starts it. */
export function nextApp(
  site: Site,
  start: Record<string, string | number>,
  name: string,
  flaw?: Flaw,
): Record<string, string> {
  const app = {
    name: 'page',
    listen_timeout: 10_000,
    kill_timeout: 5_000,
    env: { PORT: site.port, NEXT_TELEMETRY_DISABLED: '1' },
    ...start,
  };
  return {
    ...locked('next'),
    '.gitignore': 'node_modules\n.next\n',
    'ecosystem.config.js': `module.exports = ${JSON.stringify({ apps: [app] })};`,
    'next.config.js': `if (${flaw === 'boot'} && process.argv.includes('start')) throw new Error('version ${name} cannot boot');
module.exports = {};
`,
    'app/layout.js':
      "export default function Layout({ children }) {\n  return <html lang='en'><body>{children}</body></html>;\n}\n",
    'app/page.js': `'use client';
import { useState } from 'react';
export default function Page() {
  const [count, setCount] = useState(0);
  return <button onClick={() => setCount(count + 1)}>version ${name}: {count}</button>;
}
`,
    'app/version/route.js': `export const dynamic = 'force-dynamic';
export const GET = () => new Response('${name}', { status: ${flaw === '500' ? 500 : 200} });
`,
  };
}

export interface Visits {
  whole: number;
  /** Visits by the first thing that was missing. */
  broken: Record<string, number>;
}

export interface Visitors {
  counted: Visits;
  stop(): Promise<void>;
}

/** Visits the page as browsers do that were never here: the page, then all of its assets, from whichever instance answers. */
export function visit(site: Site): Visitors {
  const counted: Visits = { whole: 0, broken: {} };
  let stopping = false;
  const get = async (what: string, path: string): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${site.port}${path}`, {
      signal: AbortSignal.timeout(5_000),
    }).catch((error: unknown) => {
      throw new Error(`${what}: no answer`, { cause: error });
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${what}: ${response.status}`);
    return text;
  };
  const browse = async (): Promise<void> => {
    while (!stopping) {
      try {
        const page = await get('page', '/');
        const assets = new Set(
          [...page.matchAll(/"(\/_next\/static\/[^"\\]+)"/g)].map(([, asset]) => asset ?? ''),
        );
        if (assets.size === 0) throw new Error('page: no assets');
        await Promise.all([...assets].map((asset) => get('asset', asset)));
        counted.whole++;
      } catch (error) {
        const why = (error as Error).message;
        counted.broken[why] = (counted.broken[why] ?? 0) + 1;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const browsers = [browse(), browse()];
  return {
    counted,
    async stop() {
      stopping = true;
      await Promise.all(browsers);
    },
  };
}
