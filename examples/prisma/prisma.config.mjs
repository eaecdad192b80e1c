import { defineConfig } from 'prisma/config';
import adapter from './database.js';

// With the engine in JavaScript, Prisma downloads no program when it is installed.
export default defineConfig({
  experimental: { adapter: true },
  engine: 'js',
  adapter: async () => adapter(),
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
});
