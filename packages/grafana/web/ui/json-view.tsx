import type { ReactNode } from 'react'
import { scrolls } from './scrolls.ts'

/** JSON with line numbers and quiet colours. */
export function JsonView({ value }: { value: unknown }) {
  const lines = JSON.stringify(value, null, 2).split('\n')
  return (
    <pre className="json" {...scrolls}>
      {lines.map((line, index) => (
        <span key={index} className="json-line">
          {coloured(line)}
          {'\n'}
        </span>
      ))}
    </pre>
  )
}

function coloured(line: string): ReactNode {
  const match = /^(\s*)("(?:[^"\\]|\\.)*")?(:\s)?(.*?)(,?)$/.exec(line)
  if (!match) return line
  const [, indent, first = '', colon = '', rest = '', comma = ''] = match
  const key = colon === '' ? '' : first
  const value = colon === '' ? `${first}${rest}` : rest
  const kind = value.startsWith('"')
    ? 'text'
    : /^[-\d]/.test(value)
      ? 'number'
      : /^(?:true|false|null)/.test(value)
        ? 'word'
        : ''
  return (
    <>
      {indent}
      {key !== '' && <i className="json-key">{key}</i>}
      {colon}
      {kind === '' ? value : <i className={`json-${kind}`}>{value}</i>}
      {comma}
    </>
  )
}
