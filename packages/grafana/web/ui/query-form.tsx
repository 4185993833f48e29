import type { FormEvent } from 'react'
import { useText } from '../i18n/index.ts'

/** A question in the engine's own language, run by its button or by Ctrl-Enter. */
export function QueryForm({
  label,
  hint,
  value,
  placeholder,
  className = 'stack',
  onChange,
  onRun,
}: {
  label: string
  hint: string
  value: string
  placeholder?: string
  className?: string
  onChange: (value: string) => void
  onRun: () => void
}) {
  const text = useText()
  const run = (event: FormEvent): void => {
    event.preventDefault()
    onRun()
  }
  return (
    <form className={className} onSubmit={run}>
      <label>
        <span>{label}</span>
        <textarea
          data-filter=""
          className="mono"
          rows={Math.min(8, Math.max(2, value.split('\n').length))}
          value={value}
          spellCheck={false}
          placeholder={placeholder}
          onChange={(event) => onChange(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) run(event)
          }}
        />
      </label>
      <div className="row">
        <button type="submit" className="button primary">
          {text('run')}
        </button>
        <span className="hint">{hint}</span>
      </div>
    </form>
  )
}
