#!/usr/bin/env bash
# What action.yml does: runs the program with one argument a line, tells its summary and its verdict, and ends as asked.
set -uo pipefail
words=() made=() report=''
while IFS= read -r line; do if [ -n "$line" ]; then words+=("$line"); fi; done <<<"$ONEDROP_ARGUMENTS"
case $ONEDROP_COMMAND in
  watch | scenario)
    report=$RUNNER_TEMP/onedrop-${GITHUB_ACTION:-run}-$$
    made=(--out "$report")
    ;;
  doctor | check) ;;
  *) echo "command $ONEDROP_COMMAND: must be watch, doctor, check or scenario" >&2; exit 64 ;;
esac
npx --yes "$ONEDROP_PACKAGE" "$ONEDROP_COMMAND" ${made[@]+"${made[@]}"} ${words[@]+"${words[@]}"}
code=$?
case $code in 0) verdict=pass ;; 1) verdict=fail ;; 2) verdict=unknown ;; *) verdict=broken ;; esac
if [ -f "$report/summary.md" ]; then cat "$report/summary.md" >>"$GITHUB_STEP_SUMMARY"; fi
printf 'verdict=%s\nexit-code=%s\nreport=%s\n' "$verdict" "$code" "$report" >>"$GITHUB_OUTPUT"
case $ONEDROP_FAIL_ON-$verdict in
  never-pass | never-fail | never-unknown | fail-pass | fail-unknown | unknown-pass) exit 0 ;;
  *) exit "$code" ;;
esac
