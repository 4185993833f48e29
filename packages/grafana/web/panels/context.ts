import { createContext, useContext } from 'react'
import type { Dashboard } from '../../src/model/dashboard.ts'
import type { VariableValues } from '../../src/model/variables.ts'

/** What the panels of one dashboard share. */
export interface DashboardContext {
  readonly dashboard: Dashboard
  readonly values: VariableValues
  /** False until the variables' options are known: queries wait for them. */
  readonly isReady: boolean
  /** A text of the dashboard in the reader's language. */
  readonly translate: (text: string) => string
}

export const DashboardScope = createContext<DashboardContext | undefined>(undefined)

export function useDashboard(): DashboardContext {
  const context = useContext(DashboardScope)
  if (!context) throw new Error('a panel stands outside of a dashboard')
  return context
}
