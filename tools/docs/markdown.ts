import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'

/** A part of a document, with its 1-based line. */
export interface Found {
  readonly line: number
  readonly text: string
}

/** A fenced block, with the language that stands behind its fence. */
export interface FencedBlock extends Found {
  readonly language: string
}

/** What the checks need of one Markdown file. */
export interface MarkdownFile {
  /** Relative to the repository, with `/`. */
  readonly file: string
  /** Targets of links and images, as written. */
  readonly links: readonly Found[]
  /** Texts between single backticks. */
  readonly code: readonly Found[]
  readonly blocks: readonly FencedBlock[]
  /** Anchors of the headings, as GitHub makes them. */
  readonly anchors: ReadonlySet<string>
}

/** Every Markdown file that git knows or would add. */
export function readMarkdownFiles(root: string): MarkdownFile[] {
  const listed = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', '*.md'],
    { cwd: root, encoding: 'utf8' },
  )
  return [...new Set(listed.split('\0'))]
    .filter((file) => file !== '')
    .sort()
    .map((file) => readMarkdown(file, readFileSync(path.join(root, file), 'utf8')))
}

/** Takes one document apart. */
export function readMarkdown(file: string, text: string): MarkdownFile {
  const links: Found[] = []
  const code: Found[] = []
  const blocks: FencedBlock[] = []
  const anchors = new Set<string>()
  let fence: { mark: string; language: string; line: number; lines: string[] } | undefined
  text.split('\n').forEach((content, index) => {
    const line = index + 1
    const mark = /^\s*(```+|~~~+)\s*(\S*)/.exec(content)
    if (fence) {
      if (mark && content.trim() === fence.mark) {
        blocks.push({ line: fence.line, language: fence.language, text: fence.lines.join('\n') })
        fence = undefined
      } else fence.lines.push(content)
      return
    }
    if (mark) {
      fence = { mark: mark[1]!, language: mark[2]!, line, lines: [] }
      return
    }
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(content)
    if (heading) anchors.add(anchorOf(heading[1]!))
    const withoutCode = content.replace(/(`+)(.+?)\1/g, (_whole, _marks: string, inner: string) => {
      code.push({ line, text: inner.trim() })
      return '`'
    })
    for (const [, target] of withoutCode.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g))
      links.push({ line, text: target! })
    for (const [, target] of withoutCode.matchAll(/\b(?:src|href)="([^"]+)"/g))
      links.push({ line, text: target! })
  })
  return { file, links, code, blocks, anchors }
}

/** The anchor that GitHub gives a heading. */
export function anchorOf(heading: string): string {
  return heading
    .replaceAll('`', '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-')
}
