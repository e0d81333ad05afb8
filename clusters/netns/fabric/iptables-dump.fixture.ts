/** For tests: what `iptables-save` printed, or was given to `iptables-restore`: table, then chain, then its lines. */
export type Dump = Map<string, Map<string, string[]>>;

/** Reads a dump; what a later part says of a table adds to the earlier. */
export function parseDump(text: string): Dump {
  const tables: Dump = new Map();
  let chains = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [, table] = /^\*(\w+)/.exec(line) ?? [];
    const [, chain] = /^(?::|-A )(\S+)/.exec(line) ?? [];
    if (table) {
      chains = tables.get(table) ?? new Map();
      tables.set(table, chains);
    } else if (chain) chains.set(chain, [...(chains.get(chain) ?? []), ...(line[0] === ':' ? [] : [line])]);
  }
  return tables;
}

/** The dump with each line changed, and only kube-proxy's chains and those that jump to them. */
export const mapDump = (dump: Dump, change: (line: string) => string): Dump =>
  new Map(
    [...dump].map(([table, chains]) => [
      table,
      new Map(
        [...chains]
          .filter(([chain, lines]) => chain.startsWith('KUBE-') || lines.length > 0)
          .map(([chain, lines]) => [chain, lines.map(change)]),
      ),
    ]),
  );
