/** Tells its parent about every message, and about the handle that came with it. */
process.on('message', (message, handle) =>
  process.send?.({ message, handle: handle === undefined ? 'none' : handle.constructor.name }),
);
process.on('disconnect', () => process.exit(0));
