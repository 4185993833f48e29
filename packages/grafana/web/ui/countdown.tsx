import { openWindowOf } from '../../src/model/open-window.ts'
import { useText } from '../i18n/index.ts'
import { useNow } from '../lib/clock.ts'
import { countdownText, timeText } from '../lib/format.ts'
import { snapshotStore } from '../lib/live.ts'
import { useStore } from '../lib/store.ts'

// The longest wait that was seen tells the size where nobody says it.
let longestLeftMs = 1_000

/** The window that is open now; undefined where no stream application has one. */
export function useWindow():
  | { toMs: number; leftMs: number; sizeMs: number; isSizeKnown: boolean }
  | undefined {
  const snapshot = useStore(snapshotStore)
  const nowMs = useNow()
  const window = openWindowOf(snapshot, nowMs)
  if (!window) return undefined
  const leftMs = Math.max(0, window.endMs - nowMs)
  longestLeftMs = Math.max(longestLeftMs, leftMs)
  return {
    toMs: window.endMs,
    leftMs,
    sizeMs: window.sizeMs ?? longestLeftMs,
    isSizeKnown: window.sizeMs !== undefined,
  }
}

/** How long until the next aggregate, with the part of the window that is over. */
export function WindowCountdown() {
  const text = useText()
  const window = useWindow()
  if (!window) return null
  const seconds = window.sizeMs < 120_000
  return (
    <span
      className="countdown"
      title={text('windowOf', {
        from: window.isSizeKnown ? timeText(window.toMs - window.sizeMs, seconds) : '',
        to: timeText(window.toMs, seconds),
      })}
    >
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <circle className="countdown-track" cx="8" cy="8" r="6" />
        <circle
          className="countdown-water"
          cx="8"
          cy="8"
          r="6"
          pathLength="100"
          strokeDasharray={`${100 - (window.leftMs / window.sizeMs) * 100} 100`}
        />
      </svg>
      {text('nextAggregate')} <b>{countdownText(window.leftMs)}</b>
    </span>
  )
}
