// What Node.js 22 lacks of explicit resource management, of which the compiled sources use these two parts.
if (globalThis.AsyncDisposableStack === undefined) {
  const asyncDispose = (value) =>
    (value[Symbol.asyncDispose] ?? value[Symbol.dispose])?.bind(value) ?? (() => {});
  globalThis.AsyncDisposableStack = class AsyncDisposableStack {
    #ends = [];
    use(value) {
      if (value !== null && value !== undefined) this.#ends.push(asyncDispose(value));
      return value;
    }
    adopt(value, end) {
      this.#ends.push(() => end(value));
      return value;
    }
    defer(end) {
      this.#ends.push(end);
    }
    move() {
      const moved = new AsyncDisposableStack();
      moved.#ends = this.#ends;
      this.#ends = [];
      return moved;
    }
    async disposeAsync() {
      const ends = this.#ends.reverse();
      this.#ends = [];
      let failed;
      for (const end of ends)
        try {
          await end();
        } catch (error) {
          failed ??= { error };
        }
      if (failed !== undefined) throw failed.error;
    }
    [Symbol.asyncDispose]() {
      return this.disposeAsync();
    }
  };
}
