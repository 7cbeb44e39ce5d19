"""What is given to a patient, and when: schedules, treatments and their event tables.

`schedule` says when, one module a treatment says what (`treatment.INTERVENTIONS` lists them),
and `events.build_events` turns the treatments of an arm into one table of events a patient.
"""
