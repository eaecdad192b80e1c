// Loaded into the host program like hold.cjs: its clock of the day jumps a day back, and ahead again, all the time.
const DAY = 24 * 3_600_000;
const { now } = Date;
let calls = 0;

if (process.argv[2] === 'run') {
  delete process.env.NODE_OPTIONS;
  Date.now = () => {
    calls += 1;
    return now() + (calls % 3 === 0 ? 0 : calls % 3 === 1 ? -DAY : DAY);
  };
}
