/**
 * What a lane's process does: it is sent titles, and answers each with the result of `run`. `leave` is called before it ends,
 * as whoever started it is done or gone.
 */
export function answerTitles(run: (title: string) => Promise<object>, leave: () => Promise<void>): void {
  process.on('message', async (title: string) => {
    process.send?.(await run(title));
  });
  process.on('disconnect', async () => {
    await leave();
    process.exit();
  });
}
