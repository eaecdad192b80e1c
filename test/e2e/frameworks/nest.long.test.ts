import { expect, test } from 'vitest';
import { createSite, type Site } from '../../rig/site.ts';
import { type Flaw, livesThrough, locked, tell } from './life.ts';

function files(site: Site, name: string, flaw?: Flaw): Record<string, string> {
  const app = {
    name: 'api',
    script: 'dist/main.js',
    exec_mode: 'cluster',
    instances: 2,
    wait_ready: true,
    listen_timeout: 10_000,
    kill_timeout: 5_000,
    env: { PORT: site.port },
  };
  return {
    ...locked('nest'),
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        target: 'es2022',
        module: 'commonjs',
        outDir: 'dist',
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
        skipLibCheck: true,
        types: ['node'],
      },
      include: ['src'],
    }),
    'ecosystem.config.js': `module.exports = ${JSON.stringify({ apps: [app] })};`,
    'src/main.ts': `import 'reflect-metadata';
import { Controller, Get, HttpException, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

@Injectable()
class Store {
  constructor() {
    if (${flaw === 'boot'}) throw new Error('the store of version ${name} is gone');
  }
}

@Controller()
class Api {
  constructor(readonly store: Store) {}
  @Get('version')
  version(): string {
    if (${flaw === '500'}) throw new HttpException('version ${name} cannot answer', 500);
    return '${name}';
  }
}

@Module({ controllers: [Api], providers: [Store] })
class App {}

async function main(): Promise<void> {
  const app = await NestFactory.create(App, { logger: ['error'] });
  let closing = false;
  app.use((_: unknown, response: { setHeader(name: string, value: string): void }, next: () => void) => {
    if (closing) response.setHeader('Connection', 'close');
    next();
  });
  await app.listen(Number(process.env.PORT));
  process.send?.('ready');
  process.on('SIGINT', () => {
    closing = true;
    setTimeout(() => void app.close().then(() => process.exit(0)), 1000);
  });
}
void main();
`,
  };
}

test('NestJS in cluster mode loses no request', { timeout: 600_000 }, async () => {
  await using site = await createSite();
  const load = await livesThrough(site, { files: (name, flaw) => files(site, name, flaw) });
  tell('NestJS, cluster mode', load);
  expect(load.failures).toEqual({});
});
