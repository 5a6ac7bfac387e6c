"""Everything that needs Faust: the intake app with the clock, the health app, and the lane both run on."""
