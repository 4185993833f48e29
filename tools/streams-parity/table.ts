import { type Cell, tableCells } from './cells.ts'
import { columns, operators } from './operators.ts'
import { topologies } from './topologies.ts'

/** The table of operators and inputs as a page, every cell with a case or with a reason. */
export function parityPage(): string {
  const cells = new Map(tableCells().map((cell) => [`${cell.operator}: ${cell.column}`, cell]))
  const reasons: string[] = []
  const mark = (cell: Cell): string => {
    const { reason } = cell
    if (reason === undefined) return 'equal'
    if (!reasons.includes(reason)) reasons.push(reason)
    return `none (${reasons.indexOf(reason) + 1})`
  }
  const rows = operators.map(({ name }) => {
    const marks = columns.map((column) => mark(cells.get(`${name}: ${column}`)!))
    return `| \`${name}\` | ${marks.join(' | ')} |`
  })
  return `# What is compared with the Java library

\`npm run parity -- streams\` runs each case through the TopologyTestDriver of the Java library 4.3.1 and through ours: description, keys, values, timestamps and headers
of what comes out, and the bytes of repartition topics and changelogs must be equal. This page and the goldens that \`npm test\` compares with are made by it (\`--write\`).

*equal*: a case exists, and both libraries give the same, record for record. Of what goes to a changelog between two commits, the last record of each key is compared.

| operator | ${columns.join(' | ')} |
| --- | ${columns.map(() => '---').join(' | ')} |
${rows.join('\n')}

${reasons.map((reason, index) => `${index + 1}. ${reason}.`).join('\n')}

## Topologies
Beside the table, what matters in these is how operators work together, and what nodes, stores and topics are called. Each is compared without a record cache and with one:

${topologies
  .filter(({ cacheBytes = 0 }) => cacheBytes === 0)
  .map(({ name }) => `- ${name}`)
  .join('\n')}

A run of generated topologies and inputs is compared in the peers' tier (\`packages/streams/test/peers/generated-parity.test.ts\`).
`
}
