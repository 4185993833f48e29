/**
 * Reads a file of Java properties (java.util.Properties.load): `key=value`, `key: value` and `key value`, comments
 * behind `#` and `!`, escapes, and lines that go on behind a backslash. A key that comes twice has its last value.
 */
export function parseProperties(text: string): Record<string, string> {
  const properties: Record<string, string> = {}
  const lines = text.split(/\r\n|\r|\n/)
  for (let index = 0; index < lines.length; index++) {
    let line = lines[index]!.trimStart()
    if (line === '' || line.startsWith('#') || line.startsWith('!')) continue
    while (endsOpen(line) && index + 1 < lines.length)
      line = line.slice(0, -1) + lines[++index]!.trimStart()
    const [, key = '', value = ''] =
      /^((?:\\.|[^\\:=\s])*)(?:\s*[:=]\s*|\s+)?(.*)$/s.exec(line) ?? []
    properties[plainText(key)] = plainText(value)
  }
  return properties
}

/** Whether a line goes on in the next one: it ends with an odd number of backslashes. */
function endsOpen(line: string): boolean {
  return (/\\*$/.exec(line)?.[0].length ?? 0) % 2 === 1
}

const escapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function plainText(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.?))/gs, (_whole, code?: string, letter = '') =>
    code === undefined
      ? (escapes[letter as string] ?? (letter as string))
      : String.fromCharCode(Number.parseInt(code, 16)),
  )
}
