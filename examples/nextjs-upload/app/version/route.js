import { version } from '../release';

export const dynamic = 'force-dynamic';

export function GET() {
  return new Response(version);
}
