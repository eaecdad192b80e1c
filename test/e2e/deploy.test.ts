import { NEWEST } from '../rig/pm2.ts';
import { oneHost } from './deploy-suite.ts';

oneHost(NEWEST);
