import { Icon } from './icons.tsx'

/** A field that narrows a list; `/` goes there. */
export function FilterField({
  label,
  value,
  onChange,
}: {
  label: string
  value: string
  onChange: (value: string) => void
}) {
  return (
    <label className="filter-field">
      <Icon name="filter" />
      <span className="visually-hidden">{label}</span>
      <input
        data-filter=""
        value={value}
        placeholder={label}
        spellCheck={false}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') {
            event.preventDefault()
            event.currentTarget.blur()
          }
        }}
      />
      <kbd>/</kbd>
    </label>
  )
}
