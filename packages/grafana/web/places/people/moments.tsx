import { useText } from '../../i18n/index.ts'
import { useNow } from '../../lib/clock.ts'
import { ago } from '../../lib/duration.ts'
import { dateTimeText } from '../../lib/format.ts'

/** How long ago something was, exactly on the hover; `never` where it was not. */
export function Since({ atMs }: { atMs: number | null }) {
  const text = useText()
  const nowMs = useNow()
  if (atMs === null) return <>{text('peopleNever')}</>
  const pastMs = nowMs - atMs
  return (
    <span title={dateTimeText(atMs)}>{pastMs < 5_000 ? text('peopleJustNow') : ago(pastMs)}</span>
  )
}
