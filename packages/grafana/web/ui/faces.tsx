import type { ReactNode } from 'react'
import { useText } from '../i18n/index.ts'
import { ApiError } from '../lib/api.ts'
import { CopyLine } from './copy.tsx'
import { Icon } from './icons.tsx'

/** Nothing is there: says what would fill it, with a command to copy. */
export function Empty({
  title,
  hint,
  command,
  children,
}: {
  title: string
  hint?: string
  command?: string
  children?: ReactNode
}) {
  return (
    <div className="face">
      <p className="face-title">{title}</p>
      {hint && <p className="face-hint">{hint}</p>}
      {command && <CopyLine command={command} />}
      {children}
    </div>
  )
}

/** What happened in the engine's own words, and a way to go on. */
export function Failure({
  title,
  error,
  onRetry,
}: {
  title: string
  error: Error
  onRetry?: () => void
}) {
  const text = useText()
  const offline = error instanceof ApiError && error.status === 0
  return (
    <div className="face" role="alert">
      <p className="face-title critical">
        <Icon name="warning" /> {offline ? text('offline') : title}
      </p>
      {error.message !== '' && <p className="face-words mono">{error.message}</p>}
      {onRetry && (
        <button type="button" className="button small" onClick={onRetry}>
          {text('tryAgain')}
        </button>
      )}
    </div>
  )
}

/** What a place shows instead of data: not configured, failed, or loading. */
export function PlaceFace({
  part,
  setting,
  error,
  onRetry,
}: {
  part: string
  setting: string
  error: Error | undefined
  onRetry: () => void
}) {
  const text = useText()
  if (!error) return <Skeleton rows={8} />
  if (error instanceof ApiError && error.isNotConfigured)
    return (
      <section className="panel pad">
        <Empty
          title={text('notConfiguredTitle', { part })}
          hint={text('notConfiguredHint')}
          command={setting}
        />
      </section>
    )
  return (
    <section className="panel pad">
      <Failure title={text('failedTitle', { part })} error={error} onRetry={onRetry} />
    </section>
  )
}

/** Keeps the shape of rows that are not here yet. */
export function Skeleton({ rows = 4 }: { rows?: number }) {
  const text = useText()
  return (
    <div className="skeleton" role="status" aria-label={text('loading')}>
      {Array.from({ length: rows }, (_, row) => (
        <i key={row} style={{ width: `${88 - ((row * 17) % 40)}%` }} />
      ))}
    </div>
  )
}

export function Tag({
  tone = 'neutral',
  children,
  title,
}: {
  tone?: 'neutral' | 'ok' | 'warn' | 'critical' | 'accent'
  children: ReactNode
  title?: string | undefined
}) {
  return (
    <span className={`tag tag-${tone}`} title={title}>
      {children}
    </span>
  )
}
