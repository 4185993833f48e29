import { type ReactNode, useCallback, useEffect, useId, useRef, useState } from 'react'

/**
 * A button with a box that opens below it. Closed by Esc, by a click elsewhere, and when focus
 * leaves it; focus then goes back to the button.
 */
export function Popover({
  label,
  className = 'button',
  button,
  align = 'left',
  children,
}: {
  label: string
  className?: string
  button: ReactNode
  align?: 'left' | 'right'
  children: (close: () => void) => ReactNode
}) {
  const [isOpen, setOpen] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  const trigger = useRef<HTMLButtonElement>(null)
  const id = useId()
  const close = useCallback(() => setOpen(false), [])

  useEffect(() => {
    const element = root.current
    if (!isOpen || !element) return
    const onPointer = (event: PointerEvent): void => {
      if (!element.contains(event.target as Node)) setOpen(false)
    }
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') {
        // Esc closes what is on top, and no more than that.
        event.stopPropagation()
        setOpen(false)
        trigger.current?.focus()
        return
      }
      if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
      const items = [...element.querySelectorAll<HTMLElement>('.popover button, .popover a')]
      const at = items.indexOf(document.activeElement as HTMLElement)
      if (at < 0) return
      event.preventDefault()
      items[(at + (event.key === 'ArrowDown' ? 1 : items.length - 1)) % items.length]?.focus()
    }
    addEventListener('pointerdown', onPointer)
    element.addEventListener('keydown', onKeyDown)
    element
      .querySelector<HTMLElement>(
        '.popover [aria-pressed="true"], .popover input, .popover button, .popover a',
      )
      ?.focus()
    return () => {
      removeEventListener('pointerdown', onPointer)
      element.removeEventListener('keydown', onKeyDown)
    }
  }, [isOpen])

  return (
    <div className="popover-root" ref={root}>
      <button
        ref={trigger}
        type="button"
        className={className}
        aria-label={label}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        title={label}
        onClick={() => setOpen(!isOpen)}
      >
        {button}
      </button>
      {isOpen && (
        <div id={id} className={`popover popover-${align}`} role="dialog" aria-label={label}>
          {children(() => {
            close()
            trigger.current?.focus()
          })}
        </div>
      )}
    </div>
  )
}

/** A line of a menu that can be chosen. */
export function MenuItem({
  children,
  isChosen,
  onChoose,
}: {
  children: ReactNode
  isChosen?: boolean
  onChoose: () => void
}) {
  return (
    <button type="button" className="menu-item" aria-pressed={isChosen} onClick={onChoose}>
      {children}
    </button>
  )
}
