import { balancerNamed } from '../../harness/platforms/balancers.ts';
import { type Html, html } from '../page/html.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';
import { cellDetail, cellName, count, interval, percent } from '../words/words.ts';
import { type Fingerprint, fingerprint, HYPOTHESES, type Hypothesis } from './hypotheses.ts';
import { representatives } from './over-seeds.ts';

const SIGNALS: Record<Fingerprint['signal'], string> = {
  silence: 'silence: only the heartbeat noticed',
  reset: 'a TCP reset',
  close: 'an orderly close',
  mixed: 'several ways',
  none: '–',
};

type Outcome = 'fits' | 'contradicted' | 'cannot tell' | 'not tested';

/** Whether all of a hypothesis's predictions came true in a cell that has the settings it is about. */
function supports(hypothesis: Hypothesis, seen: Fingerprint): Outcome {
  if (!hypothesis.tested(seen)) return 'not tested';
  const holds = hypothesis.checks.map((check) => check.holds(seen));
  if (holds.includes(false)) return 'contradicted';
  return holds.includes(undefined) ? 'cannot tell' : 'fits';
}

const LOOKS: Record<Outcome, string> = {
  fits: 'pass',
  contradicted: 'fail',
  'cannot tell': 'unknown',
  'not tested': 'plain',
};

function seenTable(cells: readonly AnalysedCell[]): Html {
  return html`<section class="scroll" tabindex="0" aria-label="What each cell showed"><table><thead><tr><th scope="col">cell</th><th scope="col" class="number">nodes</th><th scope="col" class="number">lost</th><th scope="col" class="number">95 % interval</th><th scope="col" class="number">1 − 1/N</th><th scope="col" class="number">first loss after</th><th scope="col">clients saw</th><th scope="col">balancer failed open</th><th scope="col" class="number">healed by themselves</th></tr></thead><tbody>${cells.map(
    (cell) => {
      const seen = fingerprint(cell);
      return html`<tr><th scope="row">${cellName(cell, cells)}</th><td class="number">${seen.nodes}</td><td class="number">${percent(seen.share)}</td><td class="number">${interval(seen.interval)}</td><td class="number">${percent(1 - 1 / seen.nodes)}</td><td class="number">${seen.firstLoss === null ? '–' : `${seen.firstLoss.toFixed(1)} s`}</td><td>${SIGNALS[seen.signal]}</td><td>${seen.failedOpen ? 'yes' : 'no'}</td><td class="number">${count(cell.result.document.healed)}</td></tr>`;
    },
  )}</tbody></table></section>`;
}

function hypothesisTable(cells: readonly AnalysedCell[]): Html {
  const shown = representatives(cells).slice(0, 8);
  return html`<section class="scroll" tabindex="0" aria-label="Hypotheses and evidence"><table><thead><tr><th scope="col">hypothesis and what it predicts</th>${shown.map((cell) => html`<th scope="col">${cellDetail(cell, cells) || cell.header.strategy}</th>`)}</tr></thead><tbody>${HYPOTHESES.map(
    (hypothesis) =>
      html`<tr><th scope="row">${hypothesis.name}<div class="note">${hypothesis.says}</div><div class="note">Predicts: ${hypothesis.checks.map(({ predicts }) => predicts).join('; ')}.</div></th>${shown.map(
        (cell) => {
          const seen = fingerprint(cell);
          const outcome = supports(hypothesis, seen);
          const against =
            outcome === 'contradicted'
              ? hypothesis.checks.filter((check) => check.holds(seen) === false)
              : [];
          return html`<td><span class="badge ${LOOKS[outcome]}">${outcome}</span>${against.length > 0 && html`<div class="note">not so: ${against.map(({ predicts }) => predicts).join('; ')}</div>`}</td>`;
        },
      )}</tr>`,
  )}</tbody></table></section>`;
}

/** The 70/30 question: what was seen, which hypothesis it fits, and how to check one's own cluster. */
export function seventyThirtySection(all: readonly AnalysedCell[]): Html | undefined {
  const cells = all.filter(({ header }) => header.strategy === 'seventy-thirty');
  if (cells.length === 0) return undefined;
  const measured = cells.filter(({ header }) => header.evidence === 'measured');
  const balancers = [...new Set(cells.map(({ header }) => balancerNamed(header.axes.balancer)))];
  const commands = [...new Set(balancers.flatMap(({ inspect }) => inspect ?? []))];
  const doubts = balancers.flatMap(({ title, properties }) =>
    properties
      .filter(({ evidence }) => evidence === 'inferred' || evidence === 'unproven')
      .map(({ says, source, evidence }) => `${title}: ${says} (${evidence}; ${source})`),
  );
  return html`<section id="seventy-thirty">
<h2>Why 70 % were lost and 30 % stayed</h2>
<p>The experiment: one pod, its Service’s selector changed so that it selects nothing; the pod itself is never touched. ${
    measured.length === 0
      ? 'Everything below is modelled from source code and documentation; no kernel was involved.'
      : 'Cells on measured clusters met real kernel rules; the balancer in front of them is a stand-in with the documented behaviour.'
  }</p>
${seenTable(cells)}
<h3>Hypotheses, and which of them this evidence fits</h3>
${hypothesisTable(cells)}
<p class="note">Not tested: the cell does not have the settings that the hypothesis is about. A cell tells which mechanism works under its own settings. Which settings the asker’s cluster had is not known; that takes the check below.</p>
<h3>Check your own cluster in one minute</h3>
<pre tabindex="0">kubectl get service NAME -o jsonpath='{.spec.externalTrafficPolicy} {.spec.healthCheckNodePort}{"\\n"}'
${commands.map((command) => `${command}\n`)}kubectl -n kube-system get daemonset anetd kube-proxy</pre>
<p><code>Local</code> with kube-proxy and a balancer that moves flows off unhealthy nodes (a target pool) is H1’s setting; <code>anetd</code> is Dataplane V2 (H4). Then vary the number of nodes: H1 predicts that 1 − 1/N are lost (2 nodes 50 %, 3 nodes 66.7 %, 6 nodes 83.3 %), and that all hung connections heal if the selector is put back before their heartbeat gives up.</p>
<h3>What is not proven</h3>
<ul><li>Whether the asker’s Service had <code>externalTrafficPolicy: Local</code>.</li>${doubts.map((doubt) => html`<li>${doubt}</li>`)}</ul>
</section>`;
}
