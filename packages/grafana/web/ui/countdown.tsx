import { useText } from '../i18n/index.ts'
import { useNow } from '../lib/clock.ts'
import { countdownText, timeText } from '../lib/format.ts'
import { snapshotStore } from '../lib/live.ts'
import { useStore } from '../lib/store.ts'

/** The window that is open now; undefined where no stream application has one. */
export function useWindow():
  | { fromMs: number; toMs: number; leftMs: number; sizeMs: number }
  | undefined {
  const snapshot = useStore(snapshotStore)
  const nowMs = useNow()
  const sizeMs = snapshot?.window?.sizeMs
  if (!sizeMs) return undefined
  const fromMs = Math.floor(nowMs / sizeMs) * sizeMs
  return { fromMs, toMs: fromMs + sizeMs, leftMs: fromMs + sizeMs - nowMs, sizeMs }
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
        from: timeText(window.fromMs, seconds),
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
