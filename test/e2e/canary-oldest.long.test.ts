import { OLDEST } from '../rig/pm2.ts';
import { canaries } from './canary-suite.ts';

canaries(OLDEST);
