import { promisify } from 'node:util';
import { deflate } from 'node:zlib';

/** The host program as it is sent: a third of its size, which a far host has some round trips earlier. */
export async function packProgram(source: Buffer | string): Promise<string> {
  return (await promisify(deflate)(source)).toString('base64');
}
