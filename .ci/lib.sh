# Sourced by run and by what it starts elsewhere: how a scenario's result is judged here.
export logs=${logs:-$(mktemp -d)}

# A scenario may pass, fail or be unknown (0, 1, 2): that is its finding. Usage (64) and broken (70) are faults.
scenario() { npm run --silent scenario -- "$@"; local code=$?; [ "$code" -le 2 ]; }

# As scenario, and every cell must agree with its prediction and have (nearly) every drop attributed; a cell may be
# unknown where a busy machine made the harness lag, but no more than a third of them.
measured() {
  npm run --silent scenario -- "$@" --format json >"$logs/result.json"
  local code=$?
  [ "$code" -le 2 ] || return "$code"
  node -e '
    const { cells } = JSON.parse(require("fs").readFileSync(process.argv[1]));
    const unknown = cells.filter(({ verdict }) => verdict === "unknown");
    for (const { id, why } of unknown) console.log(`${id} is unknown: ${why.join("; ")}`);
    const known = cells.filter((cell) => !unknown.includes(cell));
    const faults = known.flatMap(({ id, clients, unattributed, droppedShare, predicted = { agrees: true, droppedShare } }) => {
      console.log(`${id}: ${(100 * droppedShare).toFixed(1)} % dropped, predicted ${(100 * predicted.droppedShare).toFixed(1)} %, ${unattributed} unattributed`);
      return [
        // One cell in twenty disagrees at 95 % by chance; a gap of eight points is four standard deviations of 1,000 clients.
        ...(predicted.agrees || Math.abs(droppedShare - predicted.droppedShare) < 0.08 ? [] : [`${id} disagrees with its prediction`]),
        ...(unattributed > 0.005 * clients ? [`${id} has ${unattributed} unattributed clients`] : []),
      ];
    });
    if (cells.length === 0) faults.push("nothing was played");
    if (3 * unknown.length > cells.length) faults.push(`${unknown.length} of ${cells.length} cells are unknown`);
    for (const fault of faults) console.log(fault);
    process.exitCode = faults.length > 0 ? 1 : 0;
  ' "$logs/result.json"
}
