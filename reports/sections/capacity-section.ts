import { handshakesChart, processorsChart, queueChart } from '../charts/load-charts.ts';
import { type Html, html } from '../page/html.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';
import { capacityWords } from '../words/capacity-words.ts';
import { showAxis } from '../words/words.ts';
import { type ChartShelf, figure } from './parts.ts';

/** What the return did to the pods, where they were limited; nothing where they were not. */
export function capacitySection(cell: AnalysedCell, shelf: ChartShelf): Html | false {
  const { capacity } = cell.result.document;
  if (capacity === null) return false;
  const { axes } = cell.header;
  return html`<h4>Does the door hold?</h4>
<p>${capital(capacityWords(capacity))}.</p>
<div class="grid2">${figure(shelf, handshakesChart(cell))}${figure(shelf, queueChart(cell))}${figure(shelf, processorsChart(cell))}</div>
<p class="note">Each pod is one event loop with ${showAxis(axes, 'podCpu')} processors, which serves handshakes (${showAxis(axes, 'handshakeCpu')} of the application each), pings (${showAxis(axes, 'messageCpu')}) and probes in the order in which they came. 512 sockets wait to be accepted while it works; the SYN of another is dropped and sent again after 1, 3, 7 and 15 s. A client gives up after ${showAxis(axes, 'connectTimeout')}, and its handshake is done all the same. The queue takes model time, not the machine's processors, so that it is the same on every cluster. The door holds if nobody who was let in waits for longer than clients do and no probe fails; the service collapses if it is not itself again ${showAxis(axes, 'recoverWithin')} after the release.</p>`;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
