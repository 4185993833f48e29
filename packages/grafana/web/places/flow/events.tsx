import type { PlatformEvent } from '../../../src/model/platform.ts'
import { type TextKey, textOr, useText } from '../../i18n/index.ts'
import { countText, dateTimeText, timeText } from '../../lib/format.ts'
import { eventsStore } from '../../lib/live.ts'
import { useStore } from '../../lib/store.ts'
import { scrolls } from '../../ui/scrolls.ts'
import { StateMark } from '../../ui/state-mark.tsx'
import { nodeName } from './node-card.tsx'

const shownMax = 40

/** What happened, newest first. */
export function EventList() {
  const text = useText()
  const events = useStore(eventsStore)
  return (
    <section className="panel pad events" aria-label={text('events')}>
      <header>
        <h2>{text('events')}</h2>
      </header>
      {events.length === 0 ? (
        <p className="quiet">{text('noEvents')}</p>
      ) : (
        <ol {...scrolls}>
          {events
            .slice(-shownMax)
            .reverse()
            .map((event) => (
              <li key={event.id}>
                <time
                  dateTime={new Date(event.atMs).toISOString()}
                  title={dateTimeText(event.atMs)}
                >
                  {timeText(event.atMs)}
                </time>
                <StateMark level={event.level} />
                <span>
                  {sentence(text, event)}
                  {event.note && <small className="quiet"> {event.note}</small>}
                </span>
              </li>
            ))}
        </ol>
      )}
    </section>
  )
}

function sentence(
  text: (key: TextKey, values?: Record<string, string | number>) => string,
  event: PlatformEvent,
): string {
  const state = event.state ?? ''
  if (event.kind === 'windowClosed') {
    const endMs = Number(event.subject)
    const seconds = (event.count ?? 0) < 120_000
    const window = `${timeText(endMs - (event.count ?? 0), seconds)}–${timeText(endMs, seconds)}`
    return text('event_windowClosed', { window })
  }
  return text(`event_${event.kind}`, {
    part: nodeName({ name: event.part }),
    subject:
      event.kind === 'partState' || event.kind === 'restarted'
        ? nodeName({ name: event.subject })
        : event.subject,
    state: textOr(`status${state.charAt(0).toUpperCase()}${state.slice(1)}`, state),
    count: event.count === undefined ? '' : countText(event.count),
  })
}
