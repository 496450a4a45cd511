"""From events to closed minutes: what each event says is measured, counted in integers and summed by cohort."""
