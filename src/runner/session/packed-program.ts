import { promisify } from 'node:util';
import { deflate } from 'node:zlib';

/**
 * The host program and its follower as they are sent, see `Opening`: a third of their size, which a far host has some round
 * trips earlier.
 */
export async function packProgram(texts: { follower: string; host: string }): Promise<string> {
  return (await promisify(deflate)(`${texts.follower}\0${texts.host}`)).toString('base64');
}
