import type { ReactNode } from 'react'

/**
 * The part of Markdown that text panels use: headings, lists, code, emphasis, links. Nothing of it
 * becomes HTML by itself, so a dashboard cannot bring a script.
 */
export function Markdown({ source, plain }: { source: string; plain: boolean }) {
  if (plain)
    return <pre className="text-panel mono">{source.replaceAll(/<[^>]+>/g, '').trim()}</pre>
  const blocks: ReactNode[] = []
  const lines = source.split('\n')
  for (let at = 0; at < lines.length; ) {
    const line = lines[at]!
    const heading = /^(#{1,4})\s+(.*)$/.exec(line)
    if (line.startsWith('```')) {
      const end = lines.findIndex((each, index) => index > at && each.startsWith('```'))
      const until = end < 0 ? lines.length : end
      blocks.push(
        <pre key={at} className="mono">
          {lines.slice(at + 1, until).join('\n')}
        </pre>,
      )
      at = until + 1
    } else if (heading) {
      blocks.push(<h3 key={at}>{inline(heading[2]!)}</h3>)
      at++
    } else if (/^\s*(?:[-*]|\d+\.)\s+/.test(line)) {
      const items: string[] = []
      const start = at
      while (at < lines.length && /^\s*(?:[-*]|\d+\.)\s+/.test(lines[at]!))
        items.push(lines[at++]!.replace(/^\s*(?:[-*]|\d+\.)\s+/, ''))
      const List = /^\s*\d/.test(line) ? 'ol' : 'ul'
      blocks.push(
        <List key={start}>
          {items.map((item, index) => (
            <li key={index}>{inline(item)}</li>
          ))}
        </List>,
      )
    } else if (line.trim() === '') at++
    else {
      const start = at
      while (
        at < lines.length &&
        lines[at]!.trim() !== '' &&
        !/^(#{1,4}\s|```|\s*[-*]\s)/.test(lines[at]!)
      )
        at++
      if (at === start) at++
      blocks.push(<p key={start}>{inline(lines.slice(start, at).join(' '))}</p>)
    }
  }
  return <div className="text-panel">{blocks}</div>
}

function inline(text: string): ReactNode[] {
  const parts = text.split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*]+\*|_[^_]+_|\[[^\]]+\]\([^)\s]+\))/)
  return parts.map((part, index) => {
    if (part.startsWith('`')) return <code key={index}>{part.slice(1, -1)}</code>
    if (part.startsWith('**')) return <b key={index}>{part.slice(2, -2)}</b>
    if (/^[*_].+[*_]$/.test(part)) return <em key={index}>{part.slice(1, -1)}</em>
    const link = /^\[([^\]]+)\]\(([^)\s]+)\)$/.exec(part)
    if (link && /^(?:https?:|\/|#|mailto:)/.test(link[2]!))
      return (
        <a key={index} href={link[2]} rel="noreferrer">
          {link[1]}
        </a>
      )
    return part.replaceAll(/<[^>]+>/g, '')
  })
}
