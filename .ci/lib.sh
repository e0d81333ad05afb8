# Sourced by run and by what it starts elsewhere: how a scenario's result is judged here.
export logs=${logs:-$(mktemp -d)}

# A scenario may pass or fail (0, 1): that is its finding. Unknown (2), usage (64) and broken (70) are faults.
scenario() { npm run --silent scenario -- "$@"; local code=$?; [ "$code" -le 1 ]; }

# As scenario, and every cell must agree with its prediction, be known, and have (nearly) every drop attributed.
measured() {
  npm run --silent scenario -- "$@" --format json >"$logs/result.json"
  local code=$?
  [ "$code" -le 1 ] || return "$code"
  node -e '
    const { cells } = JSON.parse(require("fs").readFileSync(process.argv[1]));
    const faults = cells.flatMap(({ id, clients, verdict, unattributed, droppedShare, predicted }) => {
      console.log(`${id}: ${(100 * droppedShare).toFixed(1)} % dropped, predicted ${(100 * predicted.droppedShare).toFixed(1)} %, ${unattributed} unattributed`);
      return [
        ...(predicted.agrees ? [] : [`${id} disagrees with its prediction`]),
        ...(verdict === "unknown" ? [`${id} is unknown`] : []),
        ...(unattributed > 0.02 * clients ? [`${id} has ${unattributed} unattributed clients`] : []),
      ];
    });
    if (cells.length === 0) faults.push("nothing was played");
    for (const fault of faults) console.log(fault);
    process.exitCode = faults.length > 0 ? 1 : 0;
  ' "$logs/result.json"
}
