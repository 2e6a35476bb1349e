"""What exports ask of a plan: whether features have to be made first, and whether that would cost any."""

from i3d.errors import UserError
from i3d.planning.overview import failures
from i3d.planning.plan import Plan
from i3d.quantities import count
from i3d.records.record import as_planned, settings_differences
from i3d.results.run_summary import tables_are_current


def refuse_replacing(plan: Plan) -> None:
    """Raise UserError if features in place would be replaced by those of other settings."""
    ours = as_planned(plan.settings)
    found = [differs for record in plan.replaced.values() if (differs := settings_differences(record, ours))]
    if found:
        raise UserError(
            f"features: {count(len(found), 'feature')} in place would be replaced, made under {'; '.join(found[0])}; "
            "set that as it was to export what is there, or run plain `snakemake` first to make them anew"
        )


def only_failures_are_due(plan: Plan) -> bool:
    """Whether nothing is due but videos that failed last time, and the tables say so already."""
    return set(plan.due) <= set(failures(plan)) and tables_are_current(plan.work.features, plan.tree)
