/** What a state is, told by shape and colour; a word always stands beside it. */
export type Level = 'ok' | 'warn' | 'critical' | 'idle'

export function StateMark({ level, size = 8 }: { level: Level; size?: number }) {
  return (
    <svg
      className={`mark mark-${level}`}
      width={size}
      height={size}
      viewBox="0 0 8 8"
      aria-hidden="true"
    >
      {level === 'ok' && <circle cx="4" cy="4" r="4" />}
      {level === 'warn' && <path d="M4 0l4 4-4 4-4-4z" />}
      {level === 'critical' && <path d="M0.5 0.500h7v7h-7z" />}
      {level === 'idle' && <circle cx="4" cy="4" r="3" />}
    </svg>
  )
}
