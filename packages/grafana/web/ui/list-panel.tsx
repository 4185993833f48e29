import type { ReactNode } from 'react'

/** The head of one column: a text, and whether figures stand below it. */
export type Column = string | { readonly figure: string }

/** A list of a place: what narrows it, then its table, or what would fill it. */
export function ListPanel({
  label,
  head,
  columns,
  empty,
  isDense = false,
  className = '',
  children,
}: {
  label: string
  /** Above the table: a toolbar; the label where it is left out. */
  head?: ReactNode
  columns: readonly Column[]
  /** Takes the table's place where there are no rows. */
  empty?: ReactNode
  isDense?: boolean
  className?: string
  /** The rows. */
  children: ReactNode
}) {
  return (
    <section className="panel" aria-label={label}>
      {head === undefined ? <h2 className="panel-title">{label}</h2> : head}
      {empty ? (
        <div className="pad">{empty}</div>
      ) : (
        <table className={`fold ${isDense ? 'dense' : ''} ${className}`}>
          <thead>
            <tr>
              {columns.map((column) =>
                typeof column === 'string' ? (
                  <th key={column}>{column}</th>
                ) : (
                  <th key={column.figure} className="figure">
                    {column.figure}
                  </th>
                ),
              )}
            </tr>
          </thead>
          <tbody>{children}</tbody>
        </table>
      )}
    </section>
  )
}
