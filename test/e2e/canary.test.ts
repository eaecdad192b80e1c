import { NEWEST } from '../rig/pm2.ts';
import { canaries } from './canary-suite.ts';

canaries(NEWEST);
